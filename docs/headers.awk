# Headers as Doxygen is to see them: the comment that a file begins with documents the file, and the inline namespace of
# the version, which no program writes, is not there.
NR == 1 && /^\/\// { top = 1 }
top && /^#pragma once/ { print "/// \\file"; top = 0; next }
top { sub(/^\/\/   /, "///     "); sub(/^\/\/( |$)/, "/// "); print; next }
/^namespace tensornorm \{ inline namespace v0 \{/ { sub(/ inline namespace v0 \{/, "") }
/^\}+  \/\/ namespace tensornorm::v0/ { sub(/^\}/, ""); sub(/::v0/, "") }
{ print }
