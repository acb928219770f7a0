-- Reads a part of what lies under a claim.
-- KEYS: the queue's values, the claim's list and lease
-- ARGV: token, or '' for a sealed claim; lease in ms, first index, how many, longest value, most bytes
if ARGV[1] ~= '' then
  if redis.call('GET', KEYS[3]) ~= ARGV[1] then return {'lost'} end
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
local from = tonumber(ARGV[3])
local found = redis.call('LRANGE', KEYS[2], from, from + tonumber(ARGV[4]) - 1)
if #found == 0 then return {'none'} end
local fit, values, long = values_of(KEYS[1], found, tonumber(ARGV[5]), tonumber(ARGV[6]))
for index = #found, fit + 1, -1 do
  found[index] = nil
end
return {'ok', 1, from, '0', found, values, long, {}}
