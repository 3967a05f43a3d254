import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface NumberSeries {
  readonly scope: string
  readonly series: string
  /** May hold {YYYY}, {YY}, {MM}, {DD} and {FY}. */
  readonly prefix?: string
  /** Digits that the number is padded to with zeros. */
  readonly pad?: number
  /** When counting starts over. Default 'none'. */
  readonly period?: 'none' | 'day' | 'month' | 'year' | 'fiscal_year'
  readonly gapless?: boolean
  readonly checkAlgorithm?: 'none' | 'mod10' | 'verhoeff' | 'mod37_2'
  readonly maxLength?: number
}

export const configureSeriesSql = 'select core.configure_series($1, $2, $3, $4, $5, $6, $7, $8)'

/** Describes a series of numbers, or changes how its next numbers are written; counter and period stay as they are. */
export async function configureSeries(tx: Transaction, series: NumberSeries): Promise<void> {
  await tx.query(configureSeriesSql, [
    series.scope,
    series.series,
    series.prefix ?? '',
    series.pad ?? 0,
    series.period ?? 'none',
    series.gapless ?? true,
    series.checkAlgorithm ?? 'none',
    series.maxLength ?? 64,
  ])
}

export interface NextNumberInput {
  readonly scope: string
  readonly series: string
  /** Calendar date (YYYY-MM-DD) that the number is for. Default: today where the tenant is. */
  readonly date?: string
}

export const nextNumberSql = 'select core.next_number($1, $2, coalesce($3, core.tenant_today())) as number'

/**
 * The next number of a series, without gaps: a rollback takes it back. Take it late, a series admits one open transaction.
 * @throws SeriesNotConfiguredError (IM551), NumberTooLongError (IM552)
 */
export async function nextNumber(tx: Transaction, input: NextNumberInput): Promise<string> {
  const rows = await tx.query<{ number: string }>(nextNumberSql, [input.scope, input.series, input.date ?? null])
  return single(rows).number
}
