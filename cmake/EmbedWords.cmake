# cmake -DINPUT=FILE -DOUTPUT=FILE -P EmbedWords.cmake: the 32-bit little-endian words of a file as a list for C++.
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1,\n" words "${bytes}")
file(WRITE "${OUTPUT}" "${words}")
