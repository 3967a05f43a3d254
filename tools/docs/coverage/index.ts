import { baseline } from './baseline.ts'
import { clinic } from './clinic.ts'
import { hospital } from './hospital.ts'
import type { Requirement } from './requirement.ts'
import { services } from './services.ts'
import { shifts } from './shifts.ts'

export interface Section {
  readonly title: string
  /** Letter of its ids, and how many there are: H1 to H26. */
  readonly prefix: string
  readonly count: number
  readonly requirements: readonly Requirement[]
}

/** The list of requirements, in its order. */
export const sections: readonly Section[] = [
  { title: 'Hospital', prefix: 'H', count: 26, requirements: hospital },
  { title: 'Baseline of an existing database', prefix: 'B', count: 8, requirements: baseline },
  { title: 'Clinic', prefix: 'C', count: 19, requirements: clinic },
  { title: 'A database for each service', prefix: 'N', count: 11, requirements: services },
  { title: 'Tasks and shifts', prefix: 'E', count: 12, requirements: shifts },
]
