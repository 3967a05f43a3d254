import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { DuplicateVersionError, MigrationDirectoryError, MigrationEncodingError, MigrationNameError } from './errors.ts'
import { sha256 } from './migration-file.ts'
import { historyOf, readHistory } from './read-history.ts'

async function withDirectory(files: Record<string, string | Buffer>, work: (directory: string) => Promise<void>) {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-history-'))
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(directory, name)), { recursive: true })
      await writeFile(join(directory, name), content)
    }
    await work(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

const none = (path: string) => ({ path, text: '' })

test('readHistory: orders versions as numbers, repeatable files behind them, and ignores what is not SQL', async () => {
  const files = { 'V10__j.sql': '', 'V2__b.sql': '', '001_a.sql': '', 'R__v.sql': '', 'U2__b.sql': '', 'README.md': '' }

  await withDirectory(files, async (directory) => {
    await mkdir(join(directory, 'old.sql'))
    const history = await readHistory(directory)

    assert.deepEqual(
      history.map(({ file }) => file),
      ['001_a.sql', 'V2__b.sql', 'V10__j.sql', 'R__v.sql', 'U2__b.sql'],
    )
  })
})

test('readHistory: takes the checksum of the exact bytes, the text without a byte order mark', async () => {
  const bytes = Buffer.from('\ufeffselect 1;\r\n')

  await withDirectory({ '1_a.sql': bytes }, async (directory) => {
    const [file] = await readHistory(directory)

    assert.equal(file?.text, 'select 1;\r\n')
    assert.deepEqual(file?.checksum, sha256(bytes))
  })
})

test('readHistory: says which directory it cannot read', async () => {
  await assert.rejects(readHistory('/nowhere/at/all'), (error: MigrationDirectoryError) => {
    assert.equal(error.code, 'IMH_MIGRATION_DIRECTORY')
    assert.match(error.message, /\/nowhere\/at\/all/)
    return true
  })
})

test('readHistory: refuses a file that is not UTF-8', async () => {
  await withDirectory({ '1_a.sql': Buffer.from([0x2d, 0x2d, 0xe9]) }, async (directory) => {
    await assert.rejects(readHistory(directory), MigrationEncodingError)
  })
})

test('historyOf: lists every badly formed name with the expected form', () => {
  assert.throws(
    () => historyOf([none('V1_x.sql'), none('ok/V2__x.sql'), none('notes.sql')]),
    (error: MigrationNameError) => {
      assert.deepEqual(error.files, ['V1_x.sql', 'notes.sql'])
      assert.match(error.hint ?? '', /V002__what_it_does\.sql/)
      return true
    },
  )
})

test('historyOf: names both files of a version that is used twice, whatever the spelling', () => {
  assert.throws(
    () => historyOf([none('001_a.sql'), none('V1.0__b.sql')]),
    (error: DuplicateVersionError) => {
      assert.deepEqual(error.files.toSorted(), ['001_a.sql', 'V1.0__b.sql'])
      return true
    },
  )
  assert.doesNotThrow(() => historyOf([none('V1__a.sql'), none('U1__a.sql'), none('R__1.sql')]))
})

test('readHistory: reads folders of a version, pairs of files, and files that say both ways', async () => {
  const files = {
    '01_a.up.sql': 'select 1',
    '01_a.down.sql': 'select 2',
    '02_b.sql': '-- migrate:up\nselect 3;\n-- migrate:down\nselect 4;\n',
    '20260101000000_c/migration.sql': 'select 5',
    '20260101000000_c/notes.sql': 'not read',
    '2026-02-01-000000_d/up.sql': 'select 6',
    '2026-02-01-000000_d/down.sql': 'select 7',
    'old/03_e.sql': 'not read',
  }

  await withDirectory(files, async (directory) => {
    const history = await readHistory(directory)

    assert.deepEqual(
      history.map(({ version, name, kind, file, text }) => [version, name, kind, file, /select \d/.exec(text)?.[0]]),
      [
        ['01', 'a', 'versioned', '01_a.up.sql', 'select 1'],
        ['02', 'b', 'versioned', '02_b.sql', 'select 3'],
        ['20260101000000', 'c', 'versioned', '20260101000000_c/migration.sql', 'select 5'],
        ['20260201000000', 'd', 'versioned', '2026-02-01-000000_d/up.sql', 'select 6'],
        ['01', 'a', 'undo', '01_a.down.sql', 'select 2'],
        ['02', 'b', 'undo', '02_b.sql', 'select 4'],
        ['20260201000000', 'd', 'undo', '2026-02-01-000000_d/down.sql', 'select 7'],
      ],
    )
    assert.deepEqual(history[1]?.checksum, sha256(files['02_b.sql']))
  })
})
