"""Deploys: what was approved becomes what agents run, or everything is as it was before.

`proposals` imports a proposal, checks its manifest and submits it for approval; `first_configs`
makes the first repository to propose from. `deploy_queue` carries out one deploy at a time, step by
step, and finishes or rolls it back after a crash. `steps` has the steps and what follows each
(pure), `step_deadline` has their time limit, `health_gate` decides whether a deployed agent works.

`carriers` has the interface of what carries out the steps, and the objects behind it:
`commit_carrier` makes a commit what an agent is, `input_carrier` makes newer inputs what several
agents run on. `input_updates` lists inputs, locks newer ones and submits them. `deploy_logs` has
the output of deploys, bounded and followed, `approval_mail` the mail about approvals, `tidying`
what of old deploys is kept.
"""
