"""Where tasks are done: in this process, or in processes of their own. Who decides which, is the scheduler."""
