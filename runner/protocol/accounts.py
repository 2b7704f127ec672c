"""Accounts of the clock; every second of a process is on one of them."""

COMPILE = 'compile'
DATA = 'data'
TRAIN = 'train'
VIEW = 'view'  # Making the model to evaluate.
CHARGED = (COMPILE, DATA, TRAIN, VIEW)  # Count against the budget.

EVALUATE = 'evaluate'
CHECKPOINT = 'checkpoint'
RECORD = 'record'
RESTORE = 'restore'
SETUP = 'setup'
FREE = (EVALUATE, CHECKPOINT, RECORD, RESTORE, SETUP)
