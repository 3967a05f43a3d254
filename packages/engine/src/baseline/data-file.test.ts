import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyFields } from './data-file.ts'

test("copyFields: COPY's escapes become the characters that they stand for, null stays null", () => {
  const fields = copyFields(String.raw`1	\N	O'Neil	a\tb\nc\\N	\x41\101\q	`)

  assert.deepEqual(fields, ["'1'", 'null', "'O''Neil'", `'a\tb\nc\\N'`, "'AAq'", "''"])
})
