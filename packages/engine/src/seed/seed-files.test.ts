import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Module, ModuleFile } from '../modules/module.ts'
import { parseSql } from '../parse/parse-sql.ts'
import { isGuard } from './is-guard.ts'
import { seedFiles } from './seed-files.ts'

function moduleWith(name: string, requires: string[], demo: string[]): Module {
  const files = demo.map((file): ModuleFile => {
    const path = `${name}/seed/demo/${file}`
    return { path, band: Number(file.slice(0, 3)), name: file.slice(4, -4), text: path }
  })
  return {
    name,
    schema: name,
    service: name,
    requires,
    cycles: [],
    purpose: '',
    directory: '',
    hasReadme: true,
    files: [],
    seeds: { system: [], demo: files },
  }
}

test('seedFiles: runs modules behind what they require, and higher bands behind all lower ones', () => {
  const modules = [
    moduleWith('app', ['users'], ['010-a.sql', '100-b.sql']),
    moduleWith('users', [], ['020-y.sql', '010-x.sql', '110-z.sql']),
  ]

  const files = seedFiles(modules, 'demo')

  assert.deepEqual(
    files.map(({ version }) => version),
    [
      'seed:demo:users/010-x',
      'seed:demo:users/020-y',
      'seed:demo:app/010-a',
      'seed:demo:users/110-z',
      'seed:demo:app/100-b',
    ],
  )
  assert.deepEqual(seedFiles(modules.toReversed(), 'demo'), files)
  assert.deepEqual(seedFiles(modules, 'system'), [])
})

test('seedFiles: a file waits for lower bands, and in its band for its own module and those that it requires', () => {
  const modules = [
    moduleWith('app', ['users'], ['100-a.sql', '110-b.sql']),
    moduleWith('billing', ['app'], ['120-c.sql', '200-d.sql']),
    moduleWith('mail', [], ['130-e.sql']),
    moduleWith('users', [], ['010-f.sql', '110-g.sql']),
  ]

  const after = Object.fromEntries(seedFiles(modules, 'demo').map((file) => [file.name, file.after.map(nameIn)]))

  assert.deepEqual(after, {
    '010-f': [],
    '130-e': ['010-f'],
    '110-g': ['010-f'],
    '100-a': ['010-f', '110-g'],
    '110-b': ['010-f', '110-g', '100-a'],
    '120-c': ['010-f', '110-g', '100-a', '110-b'],
    '200-d': ['010-f', '130-e', '110-g', '100-a', '110-b', '120-c'],
  })
})

/** `seed:demo:app/100-a` -> `100-a` */
function nameIn(version: string): string {
  return version.slice(version.indexOf('/') + 1)
}

test('isGuard: accepts the call of the guard and nothing that only looks like it', async () => {
  const accepted = async (text: string) => isGuard((await parseSql(text, 'x.sql')).statements[0], 'core.guard')

  assert.equal(await accepted('-- why\nSELECT core.guard( );'), true)
  for (const text of [
    '',
    'select guard()',
    'select core.guard(1)',
    'select core.guard() where false',
    'select core.guard() from t',
    'select core.guard() limit 0',
    'select core.guard(), 1',
    'select core.guard() offset 1',
    "select 'core.guard()'",
    'select case when false then core.guard() end',
    'insert into t select core.guard()',
    'with t as (select 1) select core.guard()',
    'select core.guard() union select 1',
    'select core.guard() group by 1 having false',
  ]) {
    assert.equal(await accepted(text), false, text)
  }
})
