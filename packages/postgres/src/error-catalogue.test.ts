import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImhotepError } from '@imhotep/base'
import * as exported from './index.ts'

const classes = Object.values(exported as Record<string, unknown>).filter(isErrorClass)

function isErrorClass(value: unknown): value is typeof ImhotepError {
  return typeof value === 'function' && value.prototype instanceof ImhotepError
}

test('errorCatalogue: lists every error class that the package exports, and no other', () => {
  const listed = exported.errorCatalogue.map(({ name }) => name)

  assert.deepEqual(listed.toSorted(), classes.map(({ name }) => name).toSorted())
})

test('errorCatalogue: gives each code one meaning, and each SQLSTATE one row', () => {
  const codes = exported.errorCatalogue.map(({ code }) => code)
  const sqlstates = exported.errorCatalogue.flatMap((row) => row.sqlstates)

  assert.equal(new Set(codes).size, codes.length)
  assert.equal(new Set(sqlstates).size, sqlstates.length)
})
