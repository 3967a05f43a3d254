-- Evidence. The log writes itself from triggers; nobody, the owner included, can change or remove a row of it.

create schema audit;

comment on schema audit is 'owner=kernel;about=Append-only evidence: who did and who saw what, partitioned by month and sealed in the background.';
