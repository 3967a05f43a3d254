import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTags } from './tags.ts'

test('parseTags: about takes the rest of the comment, semicolons included', () => {
  const tags = parseTags('class=phi;mask=last4;about=Kept; see class=pii.')

  assert.deepEqual(
    [...tags],
    [
      ['class', 'phi'],
      ['mask', 'last4'],
      ['about', 'Kept; see class=pii.'],
    ],
  )
})

test('parseTags: a plain sentence has no tags', () => {
  const tags = parseTags('The price = what is asked for.')

  assert.equal(tags.size, 0)
})

test('parseTags: no comment has no tags', () => {
  const tags = parseTags(null)

  assert.equal(tags.size, 0)
})
