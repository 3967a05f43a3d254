import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPage, type Cell } from './page.ts'

function printTable(rows: Cell[][], header?: string[], colours = false): string {
  let text = ''
  createPage((piece) => (text += piece), { colours }).table(rows, header)
  return text
}

test('table: aligns words to the left and numbers to the right', () => {
  const text = printTable(
    [
      ['core', 9],
      ['workforce', 12],
    ],
    ['module', 'tables'],
  )

  assert.equal(text, '  module     tables\n  core            9\n  workforce      12\n')
})

test('table: colours do not change the width of a column', () => {
  const text = printTable(
    [
      [{ text: 'ok', tone: 'good' }, 'x'],
      ['failed', 'y'],
    ],
    undefined,
    true,
  )

  assert.equal(text, '  \u001b[32mok\u001b[0m      x\n  failed  y\n')
})

test('paint: adds nothing without colours', () => {
  const page = createPage(() => {}, { colours: false })

  assert.equal(page.paint('no', 'bad'), 'no')
})

test('command: says what can be typed where this process came from', () => {
  const page = createPage(() => {}, { colours: false, program: 'npm run imhotep --' })

  assert.equal(page.command('status'), 'npm run imhotep -- status')
})
