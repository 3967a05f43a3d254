export const actionNames = [
  'map',
  'deps',
  'plan',
  'provision',
  'copy',
  'switch',
  'run',
  'verify',
  'revert',
  'cancel',
  'retire',
  'follow',
  'loose-keys',
  'status',
  'test',
  'export',
  'import',
] as const

export type ActionName = (typeof actionNames)[number]
