#!lua flags=no-writes
-- live.lua: what moves in sellers' lists, of one shard: the counters of many sales and the versions of sellers.
--
-- One call for all of them, because a command each costs the asking process more than all the rest of a
-- list.
--
-- KEYS   1.. sales (hash), then sellers' versions (string)
-- ARGV   1 how many of the keys are sales
-- Reply  one text of words: "total granted returned" per sale, then a version per seller; "-" for what is missing, and
--        for all of a sale whose key is of another type or whose counters are no numbers: it costs that sale alone
local sales = tonumber(ARGV[1])
local words = {}
for place, key in ipairs(KEYS) do
  if place <= sales then
    local found = redis.pcall("HMGET", key, "total", "granted", "returned")
    local total, granted, returned = found[1], found[2], found[3]
    local whole = total and granted and returned and not string.find(total .. granted .. returned, "%D")
    words[#words + 1] = whole and total or "-"
    words[#words + 1] = whole and granted or "-"
    words[#words + 1] = whole and returned or "-"
  else
    words[#words + 1] = redis.call("GET", key) or "-"
  end
end
return table.concat(words, " ")
