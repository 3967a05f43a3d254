import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { unifiedDiff } from './line-diff.ts'

const names = { before: 'old', after: 'new' }

test('unifiedDiff: shows a change with three lines of context', () => {
  const before = 'a\nb\nc\nd\ne\nf\ng\nh\ni'

  const diff = unifiedDiff(before, before.replace('e', 'E'), names)

  assert.equal(diff, '--- old\n+++ new\n@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n h')
})

test('unifiedDiff: keeps changes that are far apart in hunks of their own', () => {
  const lines = Array.from({ length: 30 }, (_, n) => `line ${n}`)

  const diff = unifiedDiff(lines.join('\n'), lines.toSpliced(2, 1).toSpliced(25, 0, 'new').join('\n'), names)

  assert.deepEqual(diff.match(/^@@.*$/gm), ['@@ -1,6 +1,5 @@', '@@ -24,6 +23,7 @@'])
})

test('unifiedDiff: is empty when only line ends differ', () => {
  assert.equal(unifiedDiff('a\nb\n', 'a\r\nb\r\n', names), '')
})

test('unifiedDiff: without its additions it is the old text, without its removals the new one', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 }).map((lines) => lines.join('\n'))

  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = unifiedDiff(before, after, names).split('\n').slice(3)
      const side = (without: string) => lines.filter((line) => line[0] !== without).map((line) => line.slice(1))

      // Texts this short are always shown as a whole.
      const expected = before === after ? [[], []] : [before.split('\n'), after.split('\n')]
      assert.deepEqual([side('+'), side('-')], expected)
    }),
  )
})
