import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../support/database.ts'

type Vectors = Record<string, { readonly accept: readonly string[]; readonly refuse: readonly string[] }>

const file = new URL('../../packages/base/src/identifiers/vectors.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors

/** The function of schema/core that answers for a row of the vectors. */
const functions: Record<string, string> = {
  abha_number: 'core.valid_abha_number($1)',
  abha_address: 'core.valid_abha_address($1)',
  aadhaar_like: 'core.looks_like_aadhaar($1)',
  verhoeff: 'core.valid_verhoeff($1)',
  luhn: 'core.valid_luhn($1)',
  sctid: 'core.valid_sctid($1)',
  loinc: 'core.valid_loinc($1)',
  isbt_din: 'core.valid_isbt_din($1)',
  isbt_din_with_check: 'core.valid_isbt_din(left($1, 13), substr($1, 14))',
  gstin: 'core.valid_gstin($1)',
  income_tax_pan: 'core.valid_income_tax_pan($1)',
  ifsc: 'core.valid_ifsc($1)',
  pin_code: 'core.valid_pin_code($1)',
  indian_mobile: 'core.valid_indian_mobile($1)',
  gtin: 'core.valid_gtin($1)',
  card_like: 'core.looks_like_pan($1)',
  icd10: 'core.valid_icd10($1)',
  dicom_uid: 'core.valid_dicom_uid($1)',
}

let database: TestDatabase
let db: Database

before(async () => {
  database = await hospitalDatabase()
  db = connect(database.url)
})
after(async () => {
  await db.close()
  await database.drop()
})

test('identifiers in SQL: there is a function for every row of the vectors', () => {
  assert.deepEqual(Object.keys(functions).toSorted(), Object.keys(vectors).toSorted())
})

for (const [name, { accept, refuse }] of Object.entries(vectors)) {
  test(`identifiers in SQL: ${name} accepts and refuses what the vectors say, and is null for null`, async () => {
    const answer = async (text: string | null) => {
      const [row] = await db.query<{ answer: boolean | null }>(
        `select ${(functions[name] ?? '').replaceAll('$1', '$1::text')} as answer`,
        [text],
      )
      return row?.answer
    }

    for (const text of accept) assert.equal(await answer(text), true, text)
    for (const text of refuse) assert.equal(await answer(text), false, text)
    assert.notEqual(await answer(null), true)
  })
}

/** schema.md 9.5: rows are donors, columns recipients O, A, B, AB; RhD apart. */
const matrix: Record<string, Record<string, string>> = {
  red_cells: { O: 'yyyy', A: 'nyny', B: 'nnyy', AB: 'nnny' },
  plasma: { O: 'ynnn', A: 'yynn', B: 'ynyn', AB: 'yyyy' },
  whole_blood: { O: 'ynnn', A: 'nynn', B: 'nnyn', AB: 'nnny' },
}

test('core.abo_compatible: is the matrix of blood groups, and RhD counts where red cells are given', async () => {
  const wrong: string[] = []
  for (const [component, donors] of Object.entries(matrix)) {
    for (const [donor, row] of Object.entries(donors)) {
      for (const [index, recipient] of ['O', 'A', 'B', 'AB'].entries()) {
        for (const [donorRh, recipientRh] of ['--', '-+', '+-', '++'].map((pair) => pair.split(''))) {
          const [answer] = await db.query<{ may: boolean }>('select core.abo_compatible($1, $2, $3) as may', [
            component,
            `${donor}${donorRh}`,
            `${recipient}${recipientRh}`,
          ])
          const rhFits =
            component === 'plasma' ||
            (component === 'whole_blood' ? donorRh === recipientRh : donorRh === '-' || recipientRh === '+')
          if (answer?.may !== (row[index] === 'y' && rhFits))
            wrong.push(`${component} ${donor}${donorRh} to ${recipient}${recipientRh}`)
        }
      }
    }
  }

  assert.deepEqual(wrong, [])
})
