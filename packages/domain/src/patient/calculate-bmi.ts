import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export const calculateBmiSql = 'select patient.calculate_bmi($1, $2)::float8 as bmi'

/**
 * Body mass index (kg/m2, one decimal) from kilograms and centimetres.
 * @throws DatabaseError (22003) for a weight or height that nobody has
 */
export async function calculateBmi(tx: Transaction, weightKg: number, heightCm: number): Promise<number> {
  return single(await tx.query<{ bmi: number }>(calculateBmiSql, [weightKg, heightCm])).bmi
}
