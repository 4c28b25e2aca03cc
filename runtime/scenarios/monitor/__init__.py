"""The monitor scenario: watches a service for weeks, and heals it by runbooks, or calls a person.

What is watched, what may be done and when, stands in a TOML file (`runbooks.py`, `loading.py`). `probes.py`, `sql.py`
and `looking.py` look at the outside world; `watching.py` decides what is news; `cron.py` says when a schedule is due.
The commander keeps the incidents (`desk.py`), a responder heals (`cure.py`); only `brains.py` and `cure.py` know that
there are agents.
"""
