import assert from 'node:assert/strict'
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { addColumn, addFunction, addView, soundCatalog } from '../../tests/support/catalog-builder.ts'
import type { Requirement } from './coverage/requirement.ts'
import { coveragePage } from './coverage-page.ts'

let root: string

before(() => {
  root = mkdtempSync(join(tmpdir(), 'imhotep-coverage-'))
  writeFileSync(join(root, 'package.json'), '{"scripts": {"docs": "true"}}')
  mkdirSync(join(root, 'tests'))
  writeFileSync(
    join(root, 'tests/x.test.ts'),
    `test('things: are never\\'s lost', () => {})
     for (const name of names) test(\`things: \${name} is kept\`, () => {})
     test(
       'things: on a line of their own', { skip: true }, () => {})`,
  )
})
after(() => rmSync(root, { recursive: true, force: true }))

const catalog = soundCatalog((catalog, things) => {
  addColumn(things, 'note', 'text')
  addFunction(catalog, 'a', 'work')
  addView(catalog, 'a', 'all_things')
})

const sound: Requirement = {
  id: 'X1',
  asks: 'things are kept',
  state: 'built',
  objects: ['a.things'],
  tests: { 'tests/x.test.ts': ['on a line'] },
}

function pageOf(...requirements: Requirement[]): string {
  return coveragePage(root, catalog, [{ title: 'Things', prefix: 'X', count: 1, requirements }])
}

test('coveragePage: links each object to where it is told, each test to its file, with the whole title', () => {
  const page = pageOf({
    ...sound,
    objects: [
      'a.things',
      'a.things.note',
      'a.work()',
      'a.all_things',
      'a.*',
      'imhotep verify',
      'npm run docs',
      'tests/x.test.ts',
    ],
  })

  assert.match(page, /\| Things \| 1: \[X1\]\(#x1\) \| 0 \| 0 \|/)
  assert.match(page, /### X1\n\n\*\*built\*\*: things are kept\./)
  for (const link of [
    '[`a.things`](schema/a.md#things)',
    '[`a.things.note`](schema/a.md#things)',
    '[`a.work()`](schema/a.md#functions)',
    '[`a.all_things`](schema/a.md#views)',
    '[`schema a`](schema/a.md)',
    '[`imhotep verify`](commands.md#imhotep-verify)',
    '`npm run docs`',
    '[`tests/x.test.ts`](../../tests/x.test.ts)',
    '[tests/x.test.ts](../../tests/x.test.ts): “things: on a line of their own”',
  ])
    assert.ok(page.includes(link), link)
})

test('coveragePage: says what is missing, and what there is already', () => {
  const page = pageOf({ id: 'X1', asks: 'things fly', state: 'later', missing: 'Wings.', objects: ['a.things'] })

  assert.match(page, /\*\*later\*\*: things fly\.\n\n- missing: Wings\.\n- there already: \[`a\.things`\]/)
})

test('coveragePage: shows a title that is a template or holds a quote as people read it', () => {
  const page = pageOf({ ...sound, tests: { 'tests/x.test.ts': ['is kept', 'lost'] } })

  assert.match(page, /“things: … is kept”, “things: are never's lost”/)
})

for (const name of [
  'a.nothing',
  'a.things.colour',
  'a.rest()',
  'b.*',
  'imhotep fly',
  'npm run fly',
  'docs/nothing.md',
]) {
  test(`coveragePage: refuses ${name}, which does not exist`, () => {
    assert.throws(() => pageOf({ ...sound, objects: [name] }), { message: `coverage:\n  X1: there is no ${name}` })
  })
}

test('coveragePage: refuses a title that no test of the file has, and a file that is not there', () => {
  assert.throws(
    () => pageOf({ ...sound, tests: { 'tests/x.test.ts': ['things: burn'] } }),
    /no test of tests\/x\.test\.ts/,
  )
  assert.throws(() => pageOf({ ...sound, tests: { 'tests/y.test.ts': ['things'] } }), /no test of tests\/y\.test\.ts/)
  assert.throws(() => pageOf({ ...sound, tests: { 'tests/x.test.ts': [''] } }), /has '' in its title/)
})

test('coveragePage: refuses an id that is missing, unknown or told twice', () => {
  assert.throws(() => pageOf(), /X1 is missing/)
  assert.throws(() => pageOf(sound, { ...sound, id: 'X2' }), /X2 is not on the list/)
  assert.throws(() => pageOf(sound, sound), /X1 is told twice/)
})

test('coveragePage: nothing is built without objects and tests', () => {
  assert.throws(() => pageOf({ ...sound, objects: [] }), /called built without objects/)
  assert.throws(() => pageOf({ ...sound, tests: {} }), /called built without objects or without tests/)
})
