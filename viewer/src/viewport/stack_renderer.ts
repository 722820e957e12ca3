import type { Types } from "@cornerstonejs/core";
import { imageIdOf, renderingEngine } from "./engine";
import { cameraOf, rendered, ViewportType, type Scene, type SliceRenderer } from "./scene";

/** Draws a stack's own slices as they are, one at a time. */
export class StackRenderer implements SliceRenderer {
  private readonly viewport: Types.IStackViewport;
  private shown = "";

  constructor(
    private readonly id: string,
    element: HTMLDivElement,
  ) {
    renderingEngine().enableElement({ viewportId: id, element, type: ViewportType.STACK });
    this.viewport = renderingEngine().getViewport(id) as Types.IStackViewport;
  }

  async draw({ pixels, index, view, size, window, inverted }: Scene): Promise<void> {
    if (this.shown !== pixels.stack.key) {
      await this.viewport.setStack(
        pixels.stack.frames.map((_, frame) => imageIdOf(pixels, frame)),
        index,
      );
      this.shown = pixels.stack.key;
    } else if (this.viewport.getCurrentImageIdIndex() !== index) {
      await this.viewport.setImageIdIndex(index);
    }
    if (!pixels.stack.frames[index]!.pixels.rendered) {
      this.viewport.setProperties({ voiRange: { ...window }, invert: inverted }, true);
    }
    this.viewport.setCamera(cameraOf(view, size, this.viewport.getCamera()));
    await rendered(this.viewport);
  }

  resize(): void {
    renderingEngine().resize(true, true);
  }

  destroy(): void {
    renderingEngine().disableElement(this.id);
  }
}
