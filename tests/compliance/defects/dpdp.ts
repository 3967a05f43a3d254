import type { Defect, Harmless } from './defect.ts'

export const defects: readonly Defect[] = []

export const harmless: readonly Harmless[] = []
