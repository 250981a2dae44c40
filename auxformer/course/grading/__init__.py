"""The parts of `auxformer.course.grade`: what was collected, what learners wrote, a clean process to try it in, the pages."""
