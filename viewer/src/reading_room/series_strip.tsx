import { useSignal } from "@preact/signals";
import { LongNames, Tag } from "../ui";
import type { Room } from "./room";
import { hasPictures, type RoomSeries } from "./room_series";

/** All series of the study with small pictures; a click shows one in the active viewport, or the empty one. */
export function SeriesStrip({ room }: { room: Room }) {
  const shown = room.cells.value.map((cell) => cell.stack.value?.seriesUid);
  return (
    <nav class="strip" aria-label="Series">
      {room.series.value.map((series) => (
        <StripEntry
          key={series.summary.uid}
          room={room}
          series={series}
          shown={shown.includes(series.summary.uid)}
          active={room.active.value.stack.value?.seriesUid === series.summary.uid}
        />
      ))}
    </nav>
  );
}

interface StripEntryProps {
  readonly room: Room;
  readonly series: RoomSeries;
  readonly shown: boolean;
  readonly active: boolean;
}

function StripEntry({ room, series, shown, active }: StripEntryProps) {
  const { summary } = series;
  const pictures = hasPictures(summary);
  const broken = useSignal(false);
  return (
    <div class="strip-entry">
      <button
        type="button"
        class={["strip-button", shown && "strip-shown", active && "strip-active"].filter(Boolean).join(" ")}
        aria-pressed={active}
        disabled={!pictures}
        title={pictures ? series.title : `${series.title}: holds no pictures`}
        data-series={summary.uid}
        onClick={() => void room.show(series)}
      >
        {pictures && (
          <span class="thumbnail">
            {broken.value ? (
              <span class="soft">No preview</span>
            ) : (
              <img src={summary.thumbnailUrl} alt="" loading="lazy" onError={() => (broken.value = true)} />
            )}
          </span>
        )}
        <span class="strip-title">
          <Tag>{summary.modality}</Tag>
          {pictures && <span class="soft">{summary.instances}</span>}
        </span>
        <span class="strip-text">
          <LongNames>{summary.description || `Series ${summary.number}`}</LongNames>
        </span>
      </button>
      {series.stacks.value.length > 1 && (
        <span class="strip-parts" role="group" aria-label={`Parts of ${series.title}`}>
          {series.stacks.value.map((stack, index) => (
            <button
              key={stack.key}
              type="button"
              class="part"
              aria-pressed={room.active.value.stack.value?.key === stack.key}
              aria-label={`Part ${stack.part}`}
              onClick={() => void room.show(series, index)}
            >
              {index + 1}
            </button>
          ))}
        </span>
      )}
      {series.error.value && (
        <p class="strip-error" role="alert">
          {series.error.value}
        </p>
      )}
    </div>
  );
}
