#!lua flags=allow-oom
-- recorded.lua: tell a sale how many of its grants MySQL has.
--
-- One script, because the sale may leave the set of unrecorded ones only if no grant has come since: a
-- reader of a user's own list that does not find the sale there does not look at its winners. It runs on a
-- Redis that is full as well: it makes nothing larger, and what is recorded is what can be trimmed.
--
-- KEYS   1 sale (hash)   2 unrecorded (set)
-- ARGV   1 sale id   2 recorded, cumulative
-- Reply  "missing" (the sale is not here, or not whole), "behind" (grants are still to come), "level"
local sale, unrecorded = KEYS[1], KEYS[2]
local sale_id, reported = ARGV[1], tonumber(ARGV[2])

-- What is damaged is for recovery; an error would keep the other sales waiting. NaN fails here as well.
local function count(text)
  local value = tonumber(text)
  return value and value % 1 == 0 and value >= 0 and value < 2 ^ 53 and value or nil
end
if redis.call("TYPE", sale).ok ~= "hash" then return "missing" end
local facts = redis.call("HMGET", sale, "granted", "recorded")
local granted, recorded = count(facts[1]), count(facts[2])
if not (granted and recorded) then return "missing" end
-- A message that comes late must not take back what a newer one said.
if reported > recorded then
  recorded = reported
  redis.call("HSET", sale, "recorded", string.format("%d", recorded))
end
if recorded < granted then return "behind" end
redis.call("SREM", unrecorded, sale_id)
return "level"
