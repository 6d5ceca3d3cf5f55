#!lua
-- ask.lua: what Redis has of one cached thing; where it has nothing, a lease to whoever will load it.
--
-- A loader may put what it has loaded only where its lease, or the value that it was given here, still stands
-- (fill.lua). Whoever changes the thing takes lease and value away, so a value that was read before the change cannot
-- come in after it, however slow its loader is. Everything carries the generation of its kind, and what a loader
-- puts there the one that it was told here: a new generation makes all that is older good for those only who
-- cannot load.
--
-- KEYS   1 generation of the kind (string)   2 entry (string)
-- ARGV   1 sixteen letters drawn anew   2 how long a lease stands, seconds
-- Reply  the text of the entry, or of the lease where there is none; how long it is good, seconds, 0 for a value of
--        another generation; the generation
local drawn, seconds = ARGV[1], ARGV[2]
local generation = redis.call("GET", KEYS[1])
if not generation then
  generation = drawn
  redis.call("SET", KEYS[1], generation)
end
local held = redis.call("GET", KEYS[2])
if held and string.sub(held, 1, #generation) == generation then
  return {held, redis.call("TTL", KEYS[2]), generation}
end
if held and string.sub(held, #generation + 1, #generation + 1) == "=" then
  return {held, 0, generation}
end
local lease = generation .. "?" .. drawn
redis.call("SET", KEYS[2], lease, "EX", seconds)
return {lease, tonumber(seconds), generation}
