import type { Value } from './value.ts'

/** A row of a system catalog. */
export type Item = Record<string, Value>

export const SYSTEM_SCHEMAS = ['pg_catalog', 'information_schema']

/** `numeric(14,2)` -> `numeric`. */
export function withoutModifier(type: string): string {
  return type.replace(/\(\d+(,-?\d+)?\)/, '')
}
