// Wrappers of the operations of schema/billing.
export {}
