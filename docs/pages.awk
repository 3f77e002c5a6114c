# Pages as Doxygen is to see them: a line `<!-- insert FILE -->` is replaced by that file of docs/, where it exists, as a
# section of the page, and the lines between `<!-- if FILE -->` and `<!-- end -->` are there only where it does.
function exists(file,  line, found) {
  found = (getline line < file) >= 0
  close(file)
  return found
}
FNR == 1 && FILENAME ~ /\/[A-Z]+\.md$/ {  # CHANGELOG.md is the page changelog: a label that other readers need not see
  name = tolower(FILENAME)
  gsub(/.*\/|\.md$/, "", name)
  $0 = $0 " {#" name "}"
}
/^<!-- if .* -->$/ { hidden = !exists("docs/" $3); next }
/^<!-- end -->$/ { hidden = 0; next }
hidden { next }
/^<!-- insert .* -->$/ {
  while ((getline line < ("docs/" $3)) > 0) {
    sub(/^#/, "##", line)
    print line
  }
  next
}
{ print }
