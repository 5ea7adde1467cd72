# The workflow runtime replays: it must not know a clock, randomness, threads or the environment.
# cmake -DNM=nm -DLIBRARY=libx.a -P check_symbols.cmake
execute_process(COMMAND ${NM} --undefined-only --no-demangle ${LIBRARY}
                OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "cannot read ${LIBRARY}")
endif()
foreach(banned clock_gettime gettimeofday "U time\n" chrono3_V2 random_device "U rand\n" "U random\n"
               getrandom getenv pthread_create "St6thread" nanosleep "U open\n" "U socket\n" "U fopen")
  string(FIND "${symbols}" "${banned}" at)
  if(NOT at EQUAL -1)
    message(FATAL_ERROR "${LIBRARY} uses ${banned}")
  endif()
endforeach()
