import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { type DonationTest, type DonationTestName, testColumns } from './rows-of-donors.ts'

export interface EnterTestInput {
  readonly donationId: string
  readonly test: DonationTestName
  readonly method: string
  readonly kitLot: string
  /** YYYY-MM-DD. */
  readonly kitExpiry: string
  /** Member of staff. */
  readonly testedBy: string
  /** Of infections and screens. */
  readonly result?: 'non_reactive' | 'reactive' | 'indeterminate' | 'invalid'
  /** Of ABO and RhD. */
  readonly groupResult?: 'A' | 'B' | 'AB' | 'O' | 'pos' | 'neg'
  /** Default 1. */
  readonly repeatNo?: number
  /** Default: now. */
  readonly testedAt?: Date
  readonly deviceId?: string
}

export const enterTestSql = `select ${testColumns}\nfrom blood_bank.enter_test($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, now()), $11)`

/**
 * Enters a test result. Donation, test and repeat number are one test.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), IdempotencyKeyReusedError (IM011)
 */
export async function enterTest(tx: Transaction, input: EnterTestInput): Promise<DonationTest> {
  return single(
    await tx.query<DonationTest>(enterTestSql, [
      input.donationId,
      input.test,
      input.method,
      input.kitLot,
      input.kitExpiry,
      input.testedBy,
      input.result ?? null,
      input.groupResult ?? null,
      input.repeatNo ?? 1,
      input.testedAt ?? null,
      input.deviceId ?? null,
    ]),
  )
}

export const verifyTestSql = `select ${testColumns}\nfrom blood_bank.verify_test($1, $2)`

/**
 * A second person verifies a result, which is final then.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), SamePersonError (IM312)
 */
export async function verifyTest(tx: Transaction, testId: string, verifiedBy: string): Promise<DonationTest> {
  return single(await tx.query<DonationTest>(verifyTestSql, [testId, verifiedBy]))
}

export const invalidateTestSql = `select ${testColumns}\nfrom blood_bank.invalidate_test($1, $2)`

/**
 * The run failed; the test is done again with the next repeat number.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function invalidateTest(tx: Transaction, testId: string, reason: string): Promise<DonationTest> {
  return single(await tx.query<DonationTest>(invalidateTestSql, [testId, reason]))
}
