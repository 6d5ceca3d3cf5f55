#!lua flags=no-writes
-- facts.lua: what moves of many sales of one shard, and the time.
--
-- One call for all of them, because a command each costs the asking process more than all the rest. The time comes
-- with them, because Redis's clock decides whether a sale is open, here as for grabs.
--
-- KEYS   1.. sales (hash)
-- ARGV   none
-- Reply  one text of words: milliseconds since the epoch, then "state total granted returned opens closes" per sale;
--        "-" for what is missing, and for all of a sale whose key is of another type: it costs that sale alone. A space
--        in a field would move the words of the sales behind it.
local time = redis.call("TIME")
local words = { string.format("%d%03d", time[1], math.floor(time[2] / 1000)) }
for _, key in ipairs(KEYS) do
  local found = redis.pcall("HMGET", key, "state", "total", "granted", "returned", "opens", "closes")
  for field = 1, 6 do words[#words + 1] = string.gsub(found[field] or "-", " ", "_") end
end
return table.concat(words, " ")
