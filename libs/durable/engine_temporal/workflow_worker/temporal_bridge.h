#pragma once
// The C interface of the crate temporal-bridge (../temporal-bridge/src/lib.rs): Temporal's core,
// workflow side only. Messages are serialized protobuf. Return values: see tb_code; a buffer that a
// call fills (also with the text of an error) is freed by tb_buffer_free. All may be called from
// any plain thread.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tb_code { tb_ok = 0, tb_shut_down = 1, tb_error = 2, tb_panic = 3 };

// The caller's bytes.
typedef struct {
    const uint8_t* data;
    size_t size;
} tb_span;

// The library's bytes.
typedef struct {
    uint8_t* data;
    size_t size;
    size_t capacity;
} tb_buffer;

typedef struct {
    tb_span name_space;
    tb_span task_queue;
    tb_span build_id;
    uint32_t cached_runs_max;
    uint32_t tasks_max;
    uint32_t polls_max;
    uint32_t sticky_timeout_ms;
    uint32_t graceful_stop_ms;
} tb_worker_options;

typedef struct tb_runtime tb_runtime;
typedef struct tb_client tb_client;
typedef struct tb_worker tb_worker;

void tb_buffer_free(tb_buffer* buffer);

// Signals that the process waits for must be blocked in the calling thread: the threads of the
// runtime inherit its mask. Free it after its clients and workers.
int32_t tb_runtime_new(tb_span log_filter, uint32_t threads, tb_runtime** runtime,
                       tb_buffer* error);
void tb_runtime_free(tb_runtime* runtime);
// What was logged since the last call: "LEVEL message key=value ..." lines, each ended by a zero.
int32_t tb_take_logs(tb_runtime* runtime, tb_buffer* lines);

int32_t tb_connect(tb_runtime* runtime, tb_span url, tb_span identity, uint32_t timeout_ms,
                   tb_client** client, tb_buffer* error);
void tb_client_free(tb_client* client);

// Asks the server: an error when it is away or does not know the namespace.
int32_t tb_worker_new(tb_runtime* runtime, tb_client* client, const tb_worker_options* options,
                      tb_worker** worker, tb_buffer* error);
// Gets the tasks of one recorded history (temporal.api.history.v1.History) instead of a server's,
// and shuts down after them.
int32_t tb_replay_worker_new(tb_runtime* runtime, const tb_worker_options* options,
                             tb_span workflow_id, tb_span history, tb_worker** worker,
                             tb_buffer* error);
// Waits for the next coresdk.workflow_activation.WorkflowActivation. One call at a time.
int32_t tb_poll_workflow(tb_worker* worker, tb_buffer* activation);
// coresdk.workflow_completion.WorkflowActivationCompletion. May wait for more of the run's history.
int32_t tb_complete_workflow(tb_worker* worker, tb_span completion, tb_buffer* error);
int32_t tb_evict(tb_worker* worker, tb_span run_id, tb_buffer* error);
// No new tasks; tb_poll_workflow goes on with what must still be answered, then says tb_shut_down.
void tb_worker_initiate_shutdown(tb_worker* worker);
// Frees the worker. Every other call on it has returned.
int32_t tb_worker_finalize(tb_worker* worker, tb_buffer* error);

#ifdef __cplusplus
}
#endif
