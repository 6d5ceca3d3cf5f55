#!lua flags=no-writes
-- counters.lua: the counters of many sales of one shard.
--
-- One call for all of them, because an HMGET each costs the asking process more than all the rest of a
-- list.
--
-- KEYS   1.. sales (hash)
-- ARGV   none
-- Reply  one text: "total granted returned" of each sale in the order of KEYS, "- - -" where it is missing
local counters = {}
for _, sale in ipairs(KEYS) do
  local found = redis.call("HMGET", sale, "total", "granted", "returned")
  for field = 1, 3 do
    counters[#counters + 1] = found[field] or "-"
  end
end
return table.concat(counters, " ")
