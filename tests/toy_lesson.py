"""A lesson small enough to run in seconds, with every mark the real ones use."""

TOY_LESSON = '''\
# ---
# jupyter:
#   lesson:
#     number: 0
#     title: Toy
#     question: Does it build?
#     reading: 1
#     exercises: 2
#     seconds: 3
#     profiles: {full: {count: 9}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Lesson 0 · Toy
#
# **You will be able to**
#
# 1. double a number (check: `double`)

# %% tags=["parameters"]
count = 3

# %%
import matplotlib.pyplot as plt
from auxformer.course.widgets import explorer, show

# %% [markdown]
# ## A line

# %%
def draw(level, kind):
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.plot([0, level], label=kind)
    return figure

explorer(draw, alt="A line that rises to the level chosen.", level=(0.0, 1.0, 0.5), kind=["solid", "dashed"])

# %% [markdown] exercise="double" difficulty=1 importance=5 minutes=2
# ### Exercise 1 · Twice
# Double it.
#
# HINT Outer hint.
#
# HINT Middle hint.
#
# HINT Inner hint.

# %% exercise="double"
def double(x: float) -> float:
    """Twice x."""
    # SOLUTION
    answer = x + x
    return answer
    # STUB
    # answer = ...
    # return answer
    # END

# %% tags=["example"]
figure, axes = plt.subplots(figsize=(3, 2))
axes.plot([double(x) for x in range(count)])
show(figure, alt="A straight line, twice as steep.")
print("last", double(count))

# %% [markdown]
# ## Five questions
#
# QUESTION Why?
#
# ANSWER Because.
#
# QUESTION What?
# ANSWER This.
'''
