-- From here on business_owner owns the module.

select core.hand_over('workforce', 'business');

-- operations of every service act in the name of the person who is signed in
grant usage on schema workforce to kernel_app;
grant execute on function workforce.acting_staff_id(), workforce.acting_doctor_id() to kernel_app;
