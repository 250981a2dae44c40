import sys; sys.path.insert(0,'/work/main/tests'); sys.path.insert(0,'/work/main')
import os; os.environ['AUXFORMER_BROWSER_LESSONS']='7'
import pytest
from browser import test_lessons as T
from auxformer.course.lessons import find_lessons
lesson=find_lessons([7])[0]
def test_it(page, lab, pictures):
    T.open_lesson(page, lab, lesson.name)
    T.do_exercises(page, lesson)
    state=T.run_all(page)
    print(state['explorers'], state['errors'])
    cell = page.locator(".jp-Notebook .jp-Cell").nth(24)
    print(page.locator(".jp-Notebook .jp-Cell").count())
    for i in (23,24,25):
        c=page.locator(".jp-Notebook .jp-Cell").nth(i)
        c.scroll_into_view_if_needed(); page.wait_for_timeout(3000)
        print(i, c.inner_text()[:300].replace('\n','|'))
        print(c.evaluate("e=>e.outerHTML")[:200])
        page.screenshot(path=f'/tmp/br7-{i}.png')
    print(cell.locator(".jupyter-widgets").count(), cell.locator(".jp-OutputArea-output").count())
    print(cell.evaluate("e=>e.querySelector('.jp-Cell-outputWrapper')?.outerHTML")[:3000])
page=T.page
from browser.conftest import browser, lab, pictures
