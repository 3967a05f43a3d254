import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isLuhn, isVerhoeff, mod37Character } from './check-digits.ts'
import * as identifiers from './identifiers.ts'

type Vectors = Record<string, { readonly accept: readonly string[]; readonly refuse: readonly string[] }>

const vectors = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8')) as Vectors

const algorithms: Record<string, (text: string) => boolean> = {
  abha_number: identifiers.isAbhaNumber,
  abha_address: identifiers.isAbhaAddress,
  aadhaar_like: identifiers.looksLikeAadhaar,
  verhoeff: isVerhoeff,
  luhn: isLuhn,
  sctid: identifiers.isSctid,
  loinc: identifiers.isLoinc,
  isbt_din: (din) => identifiers.isIsbtDin(din),
  isbt_din_with_check: (din) => identifiers.isIsbtDin(din.slice(0, 13), din.slice(13)),
  gstin: identifiers.isGstin,
  income_tax_pan: identifiers.isIncomeTaxPan,
  ifsc: identifiers.isIfsc,
  pin_code: identifiers.isPinCode,
  indian_mobile: identifiers.isIndianMobile,
  gtin: identifiers.isGtin,
  card_like: identifiers.looksLikeCardNumber,
  icd10: identifiers.isIcd10,
  dicom_uid: identifiers.isDicomUid,
}

test('identifiers: there is an algorithm for every row of the vectors, and vectors for every algorithm', () => {
  assert.deepEqual(Object.keys(algorithms).toSorted(), Object.keys(vectors).toSorted())
})

for (const [name, { accept, refuse }] of Object.entries(vectors)) {
  test(`identifiers: ${name} accepts and refuses what the vectors say`, () => {
    const algorithm = algorithms[name]

    assert.deepEqual(
      accept.filter((text) => algorithm?.(text) !== true),
      [],
    )
    assert.deepEqual(
      refuse.filter((text) => algorithm?.(text) !== false),
      [],
    )
  })
}

test('mod37Character: gives nothing for characters that it does not know', () => {
  assert.equal(mod37Character('abc'), null)
})
