"""`python -m reference`"""

from reference.pages import write

write()
