/** The operations of schema/compliance that an application may call. */
export const complianceOperations = {} as const
