# Builds the web page in STAGE from SOURCE and writes OUTPUT, a source file that holds its files:
#   cmake -DSOURCE=web -DSTAGE=... -DOUTPUT=... -DNODE=node -DNPM=npm -P build_web.cmake
# Packages are installed only when the lock file changed since the last time.
cmake_minimum_required(VERSION 3.25)

set(packages ${SOURCE}/package.json ${SOURCE}/package-lock.json ${SOURCE}/.npmrc)
set(key "")
foreach(file ${packages})
  file(SHA256 ${file} hash)
  string(APPEND key "${hash}\n")
endforeach()
set(stamp ${STAGE}/packages.stamp)
set(installed "")
if(EXISTS ${stamp})
  file(READ ${stamp} installed)
endif()
if(NOT installed STREQUAL key)
  file(REMOVE ${stamp})
  file(MAKE_DIRECTORY ${STAGE})
  file(COPY ${packages} DESTINATION ${STAGE})
  execute_process(
    COMMAND ${NPM} ci --omit=dev --no-audit --no-fund --ignore-scripts --prefer-offline --loglevel=error
    WORKING_DIRECTORY ${STAGE} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "npm ci failed:\n${out}")
  endif()
  file(WRITE ${stamp} "${key}")
endif()

file(REMOVE_RECURSE ${STAGE}/src)
file(COPY ${SOURCE}/src ${SOURCE}/build.mjs DESTINATION ${STAGE})
execute_process(
  COMMAND ${NODE} build.mjs --out ${STAGE}/dist --embed ${OUTPUT}
  WORKING_DIRECTORY ${STAGE} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "the web build failed:\n${out}")
endif()
