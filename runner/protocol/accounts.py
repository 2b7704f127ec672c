"""Accounts of the clock; every second of a process is on one of them."""

COMPILE = 'compile'
DATA = 'data'
TRAIN = 'train'
VIEW = 'view'  # Making the model to evaluate.
OVERRUN = 'overrun'  # Free work beyond its allowance.
# These count against the budget.
CHARGED = (COMPILE, DATA, TRAIN, VIEW, OVERRUN)

EVALUATE = 'evaluate'
CHECKPOINT = 'checkpoint'
RECORD = 'record'
RESTORE = 'restore'
SETUP = 'setup'
FREE = (EVALUATE, CHECKPOINT, RECORD, RESTORE, SETUP)
