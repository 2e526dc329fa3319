"""The arm behind one interface: simulated, dry, or a real Franka through libfranka; every command is checked before it is sent.

interface.py   what an arm is asked, and the names of all that can go wrong
limits.py      workspace box, step, turn, speed, force, lag, watchdog: checked on our side before any command
dry.py         an arm that keeps what would be sent
simulated.py   the Simulation behind the interface
franka.py      a Franka, simulated or real, through franky-control; worker.py holds the connection in its own process
server.py      franky-sim's protocol server with our scene behind it, in its own process
view.py        what a camera sees of that scene, drawn in the client's process
planned.py     what ``minijepa.plan.control`` asks of a robot, around any of these arms
"""
