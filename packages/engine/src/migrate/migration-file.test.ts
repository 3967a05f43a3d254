import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalVersion, compareVersions, parseMigrationName } from './migration-file.ts'

test('parseMigrationName: reads Flyway and sequential names', () => {
  const names = [
    'V001__complete_hims_schema.sql',
    'V1.2__x.sql',
    'V1_2__x.sql',
    'R__views.sql',
    'U001__x.sql',
    '002_b_c.sql',
    '20240229123000__x.sql',
    '20240229123000__x.js',
  ]

  const parsed = names.map(parseMigrationName)

  assert.deepEqual(parsed, [
    { version: '001', name: 'complete_hims_schema', kind: 'versioned' },
    { version: '1.2', name: 'x', kind: 'versioned' },
    { version: '1.2', name: 'x', kind: 'versioned' },
    { version: 'R__views', name: 'views', kind: 'repeatable' },
    { version: '001', name: 'x', kind: 'undo' },
    { version: '002', name: 'b_c', kind: 'versioned' },
    { version: '20240229123000', name: 'x', kind: 'versioned' },
    { version: '20240229123000', name: 'x', kind: 'versioned' },
  ])
})

test('parseMigrationName: refuses what is neither', () => {
  const names = ['V001_x.sql', 'V__x.sql', 'x.sql', 'V1__.sql', 'v001__x.sql', 'V1..2__x.sql', '001-x.sql']

  assert.deepEqual(
    names.filter((name) => parseMigrationName(name) !== null),
    [],
  )
})

test('canonicalVersion: gives one spelling to what is the same version', () => {
  assert.deepEqual(['001', '1', '1.0', '01.00.0'].map(canonicalVersion), ['1', '1', '1', '1'])
  assert.deepEqual(['0', '0.1', '10', '1.10', 'R__x.0'].map(canonicalVersion), ['0', '0.1', '10', '1.10', 'R__x.0'])
})

test('compareVersions: orders part by part as numbers of any size', () => {
  const versions = ['10', '2', '1.10', '1.9', '1', '20240101120000', '20240101115959', '1.9.1']

  assert.deepEqual(versions.toSorted(compareVersions), [
    '1',
    '1.9',
    '1.9.1',
    '1.10',
    '2',
    '10',
    '20240101115959',
    '20240101120000',
  ])
})

test('compareVersions: two versions are equal exactly when their canonical spelling is', () => {
  const version = fc
    .array(
      fc.nat(12).map((n) => (n > 9 ? `0${n - 9}` : String(n))),
      { minLength: 1, maxLength: 3 },
    )
    .map((parts) => parts.join('.'))

  fc.assert(
    fc.property(version, version, (a, b) => {
      assert.equal(compareVersions(a, b) === 0, canonicalVersion(a) === canonicalVersion(b))
      assert.equal(Math.sign(compareVersions(a, b)), -Math.sign(compareVersions(b, a)) + 0)
    }),
  )
})
