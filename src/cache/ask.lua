#!lua
-- ask.lua: what Redis has of one cached thing; where it has nothing, a lease to whoever will load it.
--
-- A loader may put what it has loaded only where its lease still stands (fill.lua). Whoever changes the thing takes
-- lease and value away, so a value that was read before the change cannot come in after it, however slow its
-- loader is. Everything carries the generation of its kind: a new one makes all that is older count for nothing.
--
-- KEYS   1 generation of the kind (string)   2 entry (string)
-- ARGV   1 sixteen letters drawn anew   2 how long a lease stands, seconds
-- Reply  the text of the entry, or of the lease where there is none; and how long it stays, seconds
local drawn, seconds = ARGV[1], ARGV[2]
local generation = redis.call("GET", KEYS[1])
if not generation then
  generation = drawn
  redis.call("SET", KEYS[1], generation)
end
local held = redis.call("GET", KEYS[2])
if held and string.sub(held, 1, #generation) == generation then
  return {held, redis.call("TTL", KEYS[2])}
end
local lease = generation .. "?" .. drawn
redis.call("SET", KEYS[2], lease, "EX", seconds)
return {lease, tonumber(seconds)}
