import type { GuideReport, ServiceResult, SplitPlan, SplitStatus, State, Verification } from '@imhotep/split'

/** What the actions of `imhotep split` answer. */
export type SplitData =
  | { readonly action: 'suggest'; readonly file: string }
  | {
      readonly action: 'map'
      readonly services: readonly { readonly name: string; readonly database: string | null; readonly tables: number }[]
      readonly tables: number
    }
  | { readonly action: 'deps'; readonly text: string; readonly report: object }
  | { readonly action: 'plan'; readonly plan: SplitPlan }
  | { readonly action: 'run'; readonly results: readonly ServiceResult[] }
  | { readonly action: 'verify'; readonly service: string; readonly verification: Verification }
  | { readonly action: 'state'; readonly service: string; readonly state: State }
  | { readonly action: 'follow' | 'follow-stop'; readonly services: readonly string[] }
  | {
      readonly action: 'loose-keys'
      readonly keys: number
      readonly rows: number
      readonly orphans: readonly { readonly name: string; readonly keys: number }[]
    }
  | { readonly action: 'test'; readonly report: GuideReport }
  | { readonly action: 'status'; readonly status: SplitStatus }
  | { readonly action: 'export' | 'import'; readonly directory: string; readonly tables: number; readonly rows: number }
