-- Moves a chunk of keys from a queue under a claim and gives their values. The first call makes the claim.
-- KEYS: the queue's keys and values, the table of claims, the claim's list and lease
-- ARGV: id, token, lease in ms, entry, least and greatest score, how many, '1' for the first call, longest value,
--       most bytes, '1' for scores
local held, first = redis.call('GET', KEYS[5]), ARGV[8] == '1'
if first then
  if held or redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 then return {'lost'} end
elseif held ~= ARGV[2] then
  return {'lost'}
end
-- Everything is read before anything is written: a key of a wrong type ends the script here, with nothing done.
local found = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[5], ARGV[6], 'LIMIT', 0, ARGV[7])
if #found == 0 then
  if not first then redis.call('PEXPIRE', KEYS[5], ARGV[3]) end
  return {'none'}
end
local start = redis.call('LLEN', KEYS[4])
local taken, values, long = values_of(KEYS[2], found, tonumber(ARGV[9]), tonumber(ARGV[10]))
local more = (taken < #found or #found == tonumber(ARGV[7])) and 1 or 0
for index = #found, taken + 1, -1 do
  found[index] = nil
end
local last, scores = redis.call('ZSCORE', KEYS[1], found[taken]), {}
if ARGV[11] == '1' then
  for index = 1, taken do
    scores[index] = redis.call('ZSCORE', KEYS[1], found[index])
  end
end
-- A removal comes first: after it a Redis whose memory is full lets the rest of the script write too, so that a full
-- queue can still be emptied.
if ARGV[5] == '-inf' then
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, taken - 1)
else
  redis.call('ZREM', KEYS[1], unpack(found))
end
redis.call('RPUSH', KEYS[4], unpack(found))
if first then
  redis.call('SET', KEYS[5], ARGV[2], 'PX', ARGV[3])
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
else
  redis.call('PEXPIRE', KEYS[5], ARGV[3])
end
return {"ok", more, start, last, found, values, long, scores}
