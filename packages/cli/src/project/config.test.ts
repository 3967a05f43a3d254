import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ConfigError } from '../errors.ts'
import { readConfig } from './config.ts'

const directory = mkdtempSync(join(tmpdir(), 'imhotep-config-'))
after(() => rmSync(directory, { recursive: true }))

function configFile(text: string): string {
  const file = join(directory, 'imhotep.config.json')
  writeFileSync(file, text)
  return file
}

test('readConfig: reads the settings', () => {
  const file = configFile('{"modules": ["core", "audit"], "environment": "staging"}')

  const config = readConfig(file)

  assert.deepEqual(config, { modules: ['core', 'audit'], environment: 'staging' })
})

for (const [what, text, message] of [
  ['text that is not JSON', '{', /not JSON/],
  ['a list', '[]', /not a JSON object/],
  ['an unknown setting', '{"module": []}', /unknown setting 'module'/],
  ['modules that are no list', '{"modules": "core"}', /'modules' must be a list/],
  ['a preset that is no text', '{"preset": 1}', /'preset' must be a text/],
] as const) {
  test(`readConfig: refuses ${what}`, () => {
    const file = configFile(text)

    assert.throws(
      () => readConfig(file),
      (error: unknown) => error instanceof ConfigError && message.test(error.message),
    )
  })
}
