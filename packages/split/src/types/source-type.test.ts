import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSourceType, typeFamily } from './source-type.ts'

void test('parseSourceType: reads lengths, signs and labels', () => {
  const read = (text: string) => {
    const { base, numbers, labels, unsigned, zerofill } = parseSourceType(text)
    return [base, numbers, labels, unsigned, zerofill]
  }

  assert.deepEqual(read('bigint(20) unsigned'), ['bigint', [20], [], true, false])
  assert.deepEqual(read('decimal(12,4)'), ['decimal', [12, 4], [], false, false])
  assert.deepEqual(read('int(8) unsigned zerofill'), ['int', [8], [], true, true])
  assert.deepEqual(read(String.raw`enum('a','it''s','b,c)','back\\slash')`), [
    'enum',
    [],
    ['a', "it's", 'b,c)', 'back\\slash'],
    false,
    false,
  ])
  assert.deepEqual(read('datetime(6)'), ['datetime', [6], [], false, false])
})

void test('typeFamily: is null for what PostgreSQL has no type for', () => {
  assert.equal(typeFamily(parseSourceType('point')), null)
  assert.equal(typeFamily(parseSourceType('mediumtext')), 'text')
})
