# cmake -Dprogram=... -Dexpected=... -P compare.cmake: fails unless the program prints exactly what is in the file.
execute_process(COMMAND "${program}" OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
file(READ "${expected}" shown)
if(NOT printed STREQUAL shown)
  message(FATAL_ERROR "printed:\n${printed}\nshown in ${expected}:\n${shown}")
endif()
