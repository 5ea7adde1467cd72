//! Temporal's core behind a small C interface (workflow_worker/temporal_bridge.h), for the process that runs
//! workflows. Messages are serialized protobuf both ways. Every function may be called from any
//! plain thread; those that wait block it. Core itself polls the server on its own threads.
//!
//! Every function catches panics: nothing unwinds into C++.

use prost::Message;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::Mutex,
    time::Duration,
};
use temporalio_client::{Connection, ConnectionOptions};
use temporalio_common::{
    telemetry::{
        CoreLogBuffer, CoreLogBufferedConsumer, Logger, TelemetryOptions,
        set_trace_subscriber_for_current_thread,
    },
    worker::WorkerTaskTypes,
};
use temporalio_protos::{
    coresdk::workflow_completion::WorkflowActivationCompletion, temporal::api::history::v1::History,
};
use temporalio_sdk_core::{
    CoreRuntime, PollError, PollerBehavior, RuntimeOptions, TokioRuntimeBuilder, Worker,
    WorkerConfig, WorkerVersioningStrategy, init_replay_worker, init_worker,
    replay::{HistoryFeeder, HistoryForReplay, ReplayWorkerInput},
};
use tokio::runtime::Handle;
use url::Url;

const OK: i32 = 0;
const SHUT_DOWN: i32 = 1;
const ERROR: i32 = 2;
const PANIC: i32 = 3;
const LOG_LINES_KEPT: usize = 1024;

/// Bytes that belong to the caller's side.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Span {
    data: *const u8,
    size: usize,
}

impl Span {
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.size == 0 {
            return &[];
        }
        unsafe { slice::from_raw_parts(self.data, self.size) }
    }

    unsafe fn text(self) -> Result<String, String> {
        let bytes = unsafe { self.bytes() };
        String::from_utf8(bytes.to_vec()).map_err(|_| "a text is not UTF-8".to_owned())
    }
}

/// Bytes that belong to this side until tb_buffer_free.
#[repr(C)]
pub struct Buffer {
    data: *mut u8,
    size: usize,
    capacity: usize,
}

impl Buffer {
    fn of(bytes: Vec<u8>) -> Buffer {
        let mut kept = std::mem::ManuallyDrop::new(bytes);
        Buffer {
            data: kept.as_mut_ptr(),
            size: kept.len(),
            capacity: kept.capacity(),
        }
    }
}

#[repr(C)]
pub struct WorkerOptions {
    name_space: Span,
    task_queue: Span,
    build_id: Span,
    cached_runs_max: u32,
    tasks_max: u32,
    polls_max: u32,
    sticky_timeout_ms: u32,
    graceful_stop_ms: u32,
}

pub struct Runtime {
    core: CoreRuntime,
    logs: Mutex<CoreLogBuffer>,
}

pub struct Client {
    connection: Connection,
}

/// The runtime outlives its workers.
pub struct BridgeWorker {
    core: Worker,
    runtime: *const Runtime,
}

impl BridgeWorker {
    fn new(runtime: &Runtime, core: Worker) -> *mut BridgeWorker {
        Box::into_raw(Box::new(BridgeWorker { core, runtime }))
    }

    /// Also makes the calling thread log where core's own threads do.
    fn handle(&self) -> Handle {
        let runtime = unsafe { &*self.runtime };
        if let Some(subscriber) = runtime.core.telemetry().trace_subscriber() {
            set_trace_subscriber_for_current_thread(subscriber);
        }
        runtime.core.tokio_handle()
    }
}

enum Outcome {
    Nothing,
    Bytes(Vec<u8>),
    ShutDown,
}

/// Runs f, puts its bytes or the text of its error into `out`.
unsafe fn guarded(out: *mut Buffer, f: impl FnOnce() -> Result<Outcome, String>) -> i32 {
    let (code, bytes) = match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(Outcome::Nothing)) => (OK, Vec::new()),
        Ok(Ok(Outcome::Bytes(bytes))) => (OK, bytes),
        Ok(Ok(Outcome::ShutDown)) => (SHUT_DOWN, Vec::new()),
        Ok(Err(text)) => (ERROR, text.into_bytes()),
        Err(panic) => (PANIC, panic_text(&*panic).into_bytes()),
    };
    if !out.is_null() {
        unsafe { out.write(Buffer::of(bytes)) };
    }
    code
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    match panic.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => "panic".to_owned(),
    }
}

/// With its causes: the outermost text alone says little.
fn error_text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_buffer_free(buffer: *mut Buffer) {
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe {
        let freed = std::ptr::replace(
            buffer,
            Buffer {
                data: std::ptr::null_mut(),
                size: 0,
                capacity: 0,
            },
        );
        if !freed.data.is_null() {
            drop(Vec::from_raw_parts(freed.data, freed.size, freed.capacity));
        }
    }));
}

/// The signals that the process waits for must be blocked in the calling thread: core's threads
/// inherit its mask.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_runtime_new(
    log_filter: Span,
    threads: u32,
    runtime: *mut *mut Runtime,
    error: *mut Buffer,
) -> i32 {
    unsafe {
        guarded(error, || {
            let (consumer, logs) = CoreLogBufferedConsumer::new(LOG_LINES_KEPT);
            let telemetry = TelemetryOptions::builder()
                .logging(Logger::Push {
                    filter: log_filter.text()?,
                    consumer: std::sync::Arc::new(consumer),
                })
                .build();
            let options = RuntimeOptions::builder()
                .telemetry_options(telemetry)
                .heartbeat_interval(None)
                .build()?;
            let mut tokio = TokioRuntimeBuilder::default();
            tokio.inner.worker_threads(threads.max(1) as usize);
            let core = CoreRuntime::new(options, tokio).map_err(|e| format!("{e:#}"))?;
            let made = Box::new(Runtime {
                core,
                logs: Mutex::new(logs),
            });
            runtime.write(Box::into_raw(made));
            Ok(Outcome::Nothing)
        })
    }
}

/// After all clients and workers that were made with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_runtime_free(runtime: *mut Runtime) {
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe {
        if !runtime.is_null() {
            drop(Box::from_raw(runtime));
        }
    }));
}

/// What core has logged since the last call: "LEVEL message key=value ..." each ended by a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_take_logs(runtime: *mut Runtime, lines: *mut Buffer) -> i32 {
    unsafe {
        guarded(lines, || {
            let mut logs = (*runtime).logs.lock().map_err(|e| e.to_string())?;
            let mut text = Vec::new();
            for line in logs.drain() {
                text.extend_from_slice(format!("{} {}", line.level, line.message).as_bytes());
                for (key, value) in &line.fields {
                    text.extend_from_slice(format!(" {key}={value}").as_bytes());
                }
                text.push(0);
            }
            Ok(Outcome::Bytes(text))
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_connect(
    runtime: *mut Runtime,
    url: Span,
    identity: Span,
    timeout_ms: u32,
    client: *mut *mut Client,
    error: *mut Buffer,
) -> i32 {
    unsafe {
        guarded(error, || {
            let target = Url::parse(&url.text()?).map_err(|e| e.to_string())?;
            let timeout = Duration::from_millis(timeout_ms.into());
            let options = ConnectionOptions::new(target)
                .identity(identity.text()?)
                .connect_timeout(timeout)
                .dns_load_balancing(None)
                .build();
            let connection = (*runtime).core.tokio_handle().block_on(async {
                match tokio::time::timeout(timeout, Connection::connect(options)).await {
                    Ok(answer) => answer.map_err(|e| error_text(&e)),
                    Err(_) => Err("no answer in time".to_owned()),
                }
            })?;
            client.write(Box::into_raw(Box::new(Client { connection })));
            Ok(Outcome::Nothing)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_client_free(client: *mut Client) {
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe {
        if !client.is_null() {
            drop(Box::from_raw(client));
        }
    }));
}

unsafe fn worker_config(options: &WorkerOptions) -> Result<WorkerConfig, String> {
    unsafe {
        WorkerConfig::builder()
            .namespace(options.name_space.text()?)
            .task_queue(options.task_queue.text()?)
            .task_types(WorkerTaskTypes::workflow_only())
            .max_cached_workflows(options.cached_runs_max as usize)
            .max_outstanding_workflow_tasks(options.tasks_max.max(2) as usize)
            .workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(
                options.polls_max.max(2) as usize
            ))
            .sticky_queue_schedule_to_start_timeout(Duration::from_millis(
                options.sticky_timeout_ms.into(),
            ))
            .graceful_shutdown_period(Duration::from_millis(options.graceful_stop_ms.into()))
            .versioning_strategy(WorkerVersioningStrategy::None {
                build_id: options.build_id.text()?,
            })
            .build()
    }
}

/// Asks the server, and fails when it is away or does not know the namespace.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_worker_new(
    runtime: *mut Runtime,
    client: *mut Client,
    options: *const WorkerOptions,
    worker: *mut *mut BridgeWorker,
    error: *mut Buffer,
) -> i32 {
    unsafe {
        guarded(error, || {
            let runtime = &*runtime;
            let config = worker_config(&*options)?;
            let handle = runtime.core.tokio_handle();
            let _entered = handle.enter();
            let core = init_worker(&runtime.core, config, (*client).connection.clone())
                .map_err(|e| format!("{e:#}"))?;
            let checked = handle.block_on(core.validate());
            if let Err(why) = checked {
                core.initiate_shutdown();
                handle.block_on(core.finalize_shutdown());
                return Err(error_text(&why));
            }
            worker.write(BridgeWorker::new(runtime, core));
            Ok(Outcome::Nothing)
        })
    }
}

/// A worker that gets the tasks of one recorded history instead of a server's: it shuts down when
/// the history has been replayed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_replay_worker_new(
    runtime: *mut Runtime,
    options: *const WorkerOptions,
    workflow_id: Span,
    history: Span,
    worker: *mut *mut BridgeWorker,
    error: *mut Buffer,
) -> i32 {
    unsafe {
        guarded(error, || {
            let runtime = &*runtime;
            let config = worker_config(&*options)?;
            let events = History::decode(history.bytes()).map_err(|e| e.to_string())?;
            if events.events.is_empty() {
                return Err("the history is empty".to_owned());
            }
            let handle = runtime.core.tokio_handle();
            let _entered = handle.enter();
            let (feeder, stream) = HistoryFeeder::new(1);
            let core = init_replay_worker(ReplayWorkerInput::new(config, stream))
                .map_err(|e| format!("{e:#}"))?;
            let one = HistoryForReplay::new(events, workflow_id.text()?);
            handle
                .block_on(feeder.feed(one))
                .map_err(|e| format!("{e:#}"))?;
            worker.write(BridgeWorker::new(runtime, core));
            Ok(Outcome::Nothing)
        })
    }
}

/// Waits for the next activation. Not from two threads at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_poll_workflow(worker: *mut BridgeWorker, out: *mut Buffer) -> i32 {
    unsafe {
        guarded(out, || {
            let worker = &*worker;
            match worker
                .handle()
                .block_on(worker.core.poll_workflow_activation())
            {
                Ok(activation) => Ok(Outcome::Bytes(activation.encode_to_vec())),
                Err(PollError::ShutDown) => Ok(Outcome::ShutDown),
                Err(other) => Err(error_text(&other)),
            }
        })
    }
}

/// May wait for more of the run's history: each run's completions from a thread of their own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_complete_workflow(
    worker: *mut BridgeWorker,
    completion: Span,
    error: *mut Buffer,
) -> i32 {
    unsafe {
        guarded(error, || {
            let worker = &*worker;
            let message = WorkflowActivationCompletion::decode(completion.bytes())
                .map_err(|e| e.to_string())?;
            worker
                .handle()
                .block_on(worker.core.complete_workflow_activation(message))
                .map_err(|e| error_text(&e))?;
            Ok(Outcome::Nothing)
        })
    }
}

/// The run leaves the cache by an activation that says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_evict(
    worker: *mut BridgeWorker,
    run_id: Span,
    error: *mut Buffer,
) -> i32 {
    unsafe {
        guarded(error, || {
            let worker = &*worker;
            let handle = worker.handle();
            let _entered = handle.enter();
            worker.core.request_workflow_eviction(&run_id.text()?);
            Ok(Outcome::Nothing)
        })
    }
}

/// No new tasks: tb_poll_workflow goes on with what must still be answered, then says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_worker_initiate_shutdown(worker: *mut BridgeWorker) {
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe {
        let worker = &*worker;
        let handle = worker.handle();
        let _entered = handle.enter();
        worker.core.initiate_shutdown();
    }));
}

/// Frees the worker, when every other call on it has returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tb_worker_finalize(worker: *mut BridgeWorker, error: *mut Buffer) -> i32 {
    unsafe {
        guarded(error, || {
            let worker = Box::from_raw(worker);
            let handle = worker.handle();
            handle.block_on(worker.core.finalize_shutdown());
            Ok(Outcome::Nothing)
        })
    }
}
