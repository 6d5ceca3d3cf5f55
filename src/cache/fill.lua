#!lua
-- fill.lua: puts there what was loaded by a loader whose lease, or the value that it was given, still stands.
--
-- KEYS   1 entry (string)
-- ARGV   1 the text that must stand there   2 the new text   3 how long it stays, seconds
-- Reply  1 when it was put there, 0 when something has changed since
if redis.call("GET", KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call("SET", KEYS[1], ARGV[2], "EX", ARGV[3])
return 1
