-- Whether a user of Redis may do all that publishing may have to do: a part of `publish.lua`, and of what tries whether a
-- server could publish. Asked before anything is done, so that nothing stops half-way.

--- The first right that is lacking, as the README's rules have it: the command, and what it is for.
local lacks

--- As `redis.acl_check_cmd`, and notes what is refused: for who has been refused, as it takes longer.
local function mayOrNote(command, ...)
  if redis.acl_check_cmd(command, ...) then
    return true
  end
  local name = string.lower(command)
  local where, second = ...
  if command == 'XINFO' or command == 'CLIENT' then
    name, where = name .. '|' .. string.lower(where), second
  end
  lacks = '+' .. name
  -- Keys and channels have one of these, and nothing else has.
  if string.find(where or '', '[:#]') then
    local sign = string.find(name, 'publish') or string.find(name, 'subscribe')
    local begin = string.match(where, '^[^{#]+')
    lacks = lacks .. ' for ' .. (sign and '&' or '~') .. begin .. (begin == where and '' or '*')
  end
  return false
end

--- @param may `redis.acl_check_cmd`, or `mayOrNote`, after which `lacks` says why not
--- @param keys those of `publish.lua`
local function mayPublish(may, verb, channel, keys)
  local history, log, older, epochs, once, announced, heavy = unpack(keys)
  return may(verb, channel, '')
    and may('XADD', history, '*', 'event', '')
    and may('XDEL', history, '0-1')
    and may('XREVRANGE', history, '+', '-')
    and may('XINFO', 'STREAM', history)
    and may('EXISTS', history)
    and may('PEXPIRE', history, '1')
    and may('PTTL', history)
    and may('TYPE', log)
    and may('GET', log)
    and may('GETRANGE', log, '0', '0')
    and may('APPEND', log, '')
    and may('RENAME', log, older)
    and may('GET', older)
    and may('SET', epochs, '')
    and may('ZADD', once, '0', '')
    and may('ZSCORE', once, '')
    and may('ZCARD', once)
    and may('ZREMRANGEBYRANK', once, '0', '0')
    and may('SET', announced, '')
    and may('XTRIM', history, 'MINID', '0-1')
    and may('ZRANGE', heavy, '-1', '-1')
    and may('ZRANGEBYSCORE', heavy, '0', '0')
    and may('ZREMRANGEBYSCORE', heavy, '0', '0')
    and may('ZADD', heavy, '0', '')
    and may('DEL', log, older, epochs, once, announced, heavy)
    and may('INFO', 'replication')
    and may('TIME')
end
