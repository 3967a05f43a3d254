import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { defaultPolicy } from '@imhotep/engine'
import { ConfigError } from '../errors.ts'
import { readConfig } from './config.ts'
import { projectPolicy } from './project-policy.ts'
import { findProject } from './project.ts'

const directory = mkdtempSync(join(tmpdir(), 'imhotep-config-'))
after(() => rmSync(directory, { recursive: true }))

function configFile(text: string, name = 'imhotep.config.json'): string {
  const file = join(directory, name)
  writeFileSync(file, text)
  return file
}

test('readConfig: reads the settings', () => {
  const file = configFile(
    '{"$schema": "./imhotep.schema.json", "modules": ["core", "audit"], "environment": "staging"}',
  )

  const config = readConfig(file)

  assert.deepEqual(config, { modules: ['core', 'audit'], environment: 'staging' })
})

test('readConfig: loads TypeScript with its imports, and takes regular expressions as they are', () => {
  configFile(`export const since: string = '004'`, 'since.ts')
  const file = configFile(
    `import type { Nothing } from './nothing.ts'
     import { since } from './since.ts'
     export default {
       lint: { profile: 'all', rules: { 'foreign-key-index': 'off' }, since },
       policy: { sensitiveColumns: [{ match: /^tax_no$/, reason: 'a number of a person' }] },
     } satisfies Nothing`,
    'imhotep.config.ts',
  )

  const config = readConfig(file)

  assert.deepEqual(config.lint, { profile: 'all', rules: { 'foreign-key-index': 'off' }, since: '004' })
  assert.equal(config.policy?.sensitiveColumns?.[0]?.match, '^tax_no$')
  rmSync(file)
})

for (const [name, text] of [
  ['imhotep.config.mjs', 'export default { preset: "clinic" }'],
  ['imhotep.config.js', 'module.exports = { preset: "clinic" }'],
] as const) {
  test(`readConfig: loads ${name}`, () => {
    const file = configFile(text, name)

    const config = readConfig(file)

    assert.deepEqual({ ...config }, { preset: 'clinic' })
    assert.equal(findProject(directory).config.preset, 'clinic')
    rmSync(file)
  })
}

for (const [what, text, message] of [
  ['text that is not JSON', '{', /not JSON/],
  ['a list', '[]', /not an object of settings/],
  ['an unknown setting', '{"module": []}', /unknown setting 'module', did you mean 'modules'\?/],
  [
    'an unknown setting inside',
    '{"policy": {"tenantColum": "x"}}',
    /'policy.tenantColum', did you mean 'tenantColumn'/,
  ],
  ['modules that are no list', '{"modules": "core"}', /'modules' must be a list/],
  ['a preset that is no text', '{"preset": 1}', /'preset' must be a text/],
  ['an unknown severity', '{"lint": {"rules": {"x": "loud"}}}', /'lint.rules.x' must be one of off, info, warning/],
  [
    'a scope that there is not',
    '{"policy": {"tables": [{"match": "*", "scope": "all"}]}}',
    /'policy.tables\[0\].scope'/,
  ],
  ['a table without a name', '{"policy": {"tables": [{"class": "phi"}]}}', /'policy.tables\[0\]' must say 'match'/],
  [
    'a pattern that is none',
    '{"policy": {"sensitiveColumns": [{"match": "(", "reason": "x"}]}}',
    /'policy.sensitiveColumns\[0\].match' must be a regular expression/,
  ],
  ['two mistakes at once', '{"preset": 1, "modules": 2}', /'modules' must be a list; 'preset' must be a text/],
] as const) {
  test(`readConfig: refuses ${what}`, () => {
    const file = configFile(text)

    assert.throws(
      () => readConfig(file),
      (error: unknown) => error instanceof ConfigError && message.test(error.message),
    )
  })
}

test('readConfig: says where a module fails', () => {
  const file = configFile('throw new Error("no licence")', 'failing.config.mjs')

  assert.throws(
    () => readConfig(file),
    (error: unknown) =>
      error instanceof ConfigError && /failing\.config\.mjs: cannot be loaded: no licence/.test(error.message),
  )
  rmSync(file)
})

test('imhotep.schema.json: knows every setting of a policy, and no other', () => {
  const schema = JSON.parse(readFileSync(new URL('../../imhotep.schema.json', import.meta.url), 'utf8')) as {
    properties: { policy: { properties: object } }
  }

  assert.deepEqual(Object.keys(schema.properties.policy.properties).toSorted(), Object.keys(defaultPolicy).toSorted())
})

test('projectPolicy: the config wins over the conventions, setting by setting', () => {
  const policy = projectPolicy({ policy: { tenantColumn: 'clinic' } })

  assert.equal(policy.tenantColumn, 'clinic')
  assert.equal(policy.isolationPolicy, defaultPolicy.isolationPolicy)
  assert.ok(policy.sensitiveColumns.some(({ match }) => new RegExp(match).test('aadhaar_number')))
})
