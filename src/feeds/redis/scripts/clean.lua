-- Removes a part of what lies under a claim that is done, and with the last part the claim. Gives 1: there is more;
-- 0: all is gone; -1: it is not done.
-- KEYS: the queue's values, the table of claims, the claim's list and lease
-- ARGV: id, the entry of a claim that is done, the entry of one that its owner sealed and has journalled, or '';
--       how many
local entry = redis.call('HGET', KEYS[2], ARGV[1])
if not entry then return 0 end
if string.sub(entry, 1, 5) ~= 'done|' then
  if entry ~= ARGV[3] then return -1 end
  redis.call('DEL', KEYS[4])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
local found = redis.call('LRANGE', KEYS[3], 0, ARGV[4] - 1)
if #found > 0 then
  redis.call('HDEL', KEYS[1], unpack(found))
  redis.call('LTRIM', KEYS[3], #found, -1)
end
if #found == tonumber(ARGV[4]) then return 1 end
redis.call('DEL', KEYS[3], KEYS[4])
redis.call('HDEL', KEYS[2], ARGV[1])
return 0
