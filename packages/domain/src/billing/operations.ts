/** The operations of schema/billing that an application may call. */
export const billingOperations = {} as const
